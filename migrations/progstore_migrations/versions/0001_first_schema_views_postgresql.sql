CREATE VIEW v_sessions AS
-- One row per session: one run of a program, or a group of tasks that a program declared.
SELECT
  s.id AS id, -- the session's number in this store, as in `progstore show 17`
  s.name AS name, -- sessions of one name form its history
  (SELECT CASE WHEN s.end_status = 'error' OR count(*) FILTER (WHERE t.status = 'error') > 0 THEN 'error' WHEN count(*) FILTER (WHERE t.status = 'running') > 0 THEN 'running' WHEN s.kind <> 'declared' AND s.end_status IS NULL THEN 'running' WHEN count(*) FILTER (WHERE t.status = 'pending') > 0 THEN 'pending' WHEN s.end_status IS NOT NULL THEN s.end_status WHEN count(*) = 0 THEN 'pending' WHEN count(*) FILTER (WHERE t.status = 'cancelled') > 0 THEN 'cancelled' ELSE 'complete' END FROM tasks AS t WHERE t.session_id = s.id AND NOT EXISTS (SELECT 1 FROM tasks AS n WHERE n.session_id = t.session_id AND n.key = t.key AND n.attempt > t.attempt)) AS status, -- from the newest attempt of each task, and the session's own end
  CASE WHEN s.ended_at IS NULL AND s.kind <> 'declared' THEN CASE WHEN coalesce(p.lost_at, p.ended_at) BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(coalesce(p.lost_at, p.ended_at)) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END END AS lost, -- UTC, owner gone; true as of the last settlement, see `progstore prune`
  (SELECT CASE WHEN count(*) FILTER (WHERE t.simulate_since IS NOT NULL AND t.status <> 'complete') > 0 THEN NULL ELSE CAST(floor(avg(coalesce(CASE WHEN t.status = 'complete' THEN 100.0 WHEN t.simulate_since IS NOT NULL THEN NULL WHEN t.percent IS NOT NULL THEN greatest(0.0, least(t.percent, 100.0)) WHEN t.total > 0 THEN 100.0 * greatest(0.0, least(t.done, t.total)) / t.total WHEN t.status = 'pending' THEN 0.0 END, 0.0)) + 0.000001) AS bigint) END FROM tasks AS t WHERE t.session_id = s.id AND NOT EXISTS (SELECT 1 FROM tasks AS n WHERE n.session_id = t.session_id AND n.key = t.key AND n.attempt > t.attempt) AND t.parent_id IS NULL) AS percent, -- mean of the root tasks, rounded down; NULL where one is simulated
  (SELECT count(*) FROM tasks AS t WHERE t.session_id = s.id) AS tasks, -- number of tasks, every attempt
  s.message AS message, -- the last message
  CASE WHEN s.started_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(s.started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS started, -- UTC
  CASE WHEN s.ended_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(s.ended_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS ended, -- UTC; NULL while it has no end
  s.duration AS seconds, -- duration; NULL while it has no end
  s.host AS host, -- where it ran
  p.pid AS pid, -- its process
  p.program AS program, -- script, module or notebook
  s.kind AS kind, -- ambient: by the first loop, block: by progstore.session(), declared: by Session.create()
  s.uid AS uid, -- the same in every store it is copied to
  (SELECT '{' || coalesce(string_agg(to_json(m.key)::text || ':' || m.value, ',' ORDER BY m.key), '') || '}' FROM metadata AS m WHERE m.session_id = s.id AND m.task_id = 0) AS meta, -- metadata, a JSON object
  s.started_at AS started_at, -- seconds since 1970, UTC
  s.ended_at AS ended_at, -- seconds since 1970, UTC
  p.argv AS argv, -- its process's command line, a JSON list with secrets masked
  p.cwd AS cwd, -- its process's working directory
  p.username AS username, -- who ran it
  p.python AS python, -- version of Python
  p.progstore_version AS progstore, -- version of progstore that wrote it
  p.end_reason AS end_reason, -- how its process ended: exit, error or signal; NULL while it lives or is lost
  p.dropped_events AS dropped_events -- events that its process counted, but did not keep
FROM sessions AS s LEFT JOIN processes AS p ON p.id = s.process_id

COMMENT ON VIEW v_sessions IS 'One row per session: one run of a program, or a group of tasks that a program declared.'

COMMENT ON COLUMN v_sessions.id IS 'the session''s number in this store, as in `progstore show 17`'

COMMENT ON COLUMN v_sessions.name IS 'sessions of one name form its history'

COMMENT ON COLUMN v_sessions.status IS 'from the newest attempt of each task, and the session''s own end'

COMMENT ON COLUMN v_sessions.lost IS 'UTC, owner gone; true as of the last settlement, see `progstore prune`'

COMMENT ON COLUMN v_sessions.percent IS 'mean of the root tasks, rounded down; NULL where one is simulated'

COMMENT ON COLUMN v_sessions.tasks IS 'number of tasks, every attempt'

COMMENT ON COLUMN v_sessions.message IS 'the last message'

COMMENT ON COLUMN v_sessions.started IS 'UTC'

COMMENT ON COLUMN v_sessions.ended IS 'UTC; NULL while it has no end'

COMMENT ON COLUMN v_sessions.seconds IS 'duration; NULL while it has no end'

COMMENT ON COLUMN v_sessions.host IS 'where it ran'

COMMENT ON COLUMN v_sessions.pid IS 'its process'

COMMENT ON COLUMN v_sessions.program IS 'script, module or notebook'

COMMENT ON COLUMN v_sessions.kind IS 'ambient: by the first loop, block: by progstore.session(), declared: by Session.create()'

COMMENT ON COLUMN v_sessions.uid IS 'the same in every store it is copied to'

COMMENT ON COLUMN v_sessions.meta IS 'metadata, a JSON object'

COMMENT ON COLUMN v_sessions.started_at IS 'seconds since 1970, UTC'

COMMENT ON COLUMN v_sessions.ended_at IS 'seconds since 1970, UTC'

COMMENT ON COLUMN v_sessions.argv IS 'its process''s command line, a JSON list with secrets masked'

COMMENT ON COLUMN v_sessions.cwd IS 'its process''s working directory'

COMMENT ON COLUMN v_sessions.username IS 'who ran it'

COMMENT ON COLUMN v_sessions.python IS 'version of Python'

COMMENT ON COLUMN v_sessions.progstore IS 'version of progstore that wrote it'

COMMENT ON COLUMN v_sessions.end_reason IS 'how its process ended: exit, error or signal; NULL while it lives or is lost'

COMMENT ON COLUMN v_sessions.dropped_events IS 'events that its process counted, but did not keep'

CREATE VIEW v_tasks AS
-- One row per task and attempt, ended or not.
SELECT
  t.id AS id, -- the task's number in this store, as in `progstore show 17/42`
  t.session_id AS session_id, -- its session
  t.session_name AS session, -- the session's name; with the task's name it is the history
  t.name AS name, -- the task's name
  t.status AS status, -- pending, running, complete, error or cancelled
  CASE WHEN t.ended_at IS NULL THEN CASE WHEN t.lost_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.lost_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END END AS lost, -- UTC, owner gone; true as of the last settlement, see `progstore prune`
  CAST(floor(10 * (CASE WHEN t.status = 'complete' THEN 100.0 WHEN t.simulate_since IS NOT NULL THEN NULL WHEN t.percent IS NOT NULL THEN greatest(0.0, least(t.percent, 100.0)) WHEN t.total > 0 THEN 100.0 * greatest(0.0, least(t.done, t.total)) / t.total WHEN t.status = 'pending' THEN 0.0 END) + 0.000001) AS bigint) / 10.0 AS percent, -- 0 to 100, a tenth rounded down; NULL where simulated or the total is unknown
  t.done AS done, -- items done, failed ones too
  t.total AS total, -- items in all; NULL where unknown
  t.unit AS unit, -- what is counted
  t.failed AS failed, -- items that failed, part of done
  t.message AS message, -- the last message
  t.error_type AS error_type, -- class of the exception that ended it
  t.error AS error, -- text of the exception that ended it
  CASE WHEN t.started_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS started, -- UTC; NULL while pending
  CASE WHEN t.updated_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.updated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS updated, -- UTC, last change
  CASE WHEN t.ended_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.ended_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS ended, -- UTC; NULL while it has no end
  coalesce(t.duration, CASE WHEN t.updated_at - t.started_at < 0.0 THEN 0.0 ELSE t.updated_at - t.started_at END) AS seconds, -- duration; for what runs, until its last change
  coalesce(p.host, s.host) AS host, -- where it ran
  p.pid AS pid, -- its process
  t.key AS key, -- names the task within its session
  t.attempt AS attempt, -- 1 for the first start under this key
  t.parent_id AS parent_id, -- the task it is nested in; NULL for a root
  t.active AS active, -- items being worked on
  t.cancelled AS cancelled, -- items cancelled
  (SELECT '{' || coalesce(string_agg(to_json(m.key)::text || ':' || m.value, ',' ORDER BY m.key), '') || '}' FROM metadata AS m WHERE m.session_id = t.session_id AND m.task_id = t.id) AS meta, -- metadata, a JSON object
  t.started_at AS started_at, -- seconds since 1970, UTC
  t.updated_at AS updated_at, -- seconds since 1970, UTC
  t.ended_at AS ended_at -- seconds since 1970, UTC
FROM tasks AS t JOIN sessions AS s ON s.id = t.session_id LEFT JOIN processes AS p ON p.id = t.process_id

COMMENT ON VIEW v_tasks IS 'One row per task and attempt, ended or not.'

COMMENT ON COLUMN v_tasks.id IS 'the task''s number in this store, as in `progstore show 17/42`'

COMMENT ON COLUMN v_tasks.session_id IS 'its session'

COMMENT ON COLUMN v_tasks.session IS 'the session''s name; with the task''s name it is the history'

COMMENT ON COLUMN v_tasks.name IS 'the task''s name'

COMMENT ON COLUMN v_tasks.status IS 'pending, running, complete, error or cancelled'

COMMENT ON COLUMN v_tasks.lost IS 'UTC, owner gone; true as of the last settlement, see `progstore prune`'

COMMENT ON COLUMN v_tasks.percent IS '0 to 100, a tenth rounded down; NULL where simulated or the total is unknown'

COMMENT ON COLUMN v_tasks.done IS 'items done, failed ones too'

COMMENT ON COLUMN v_tasks.total IS 'items in all; NULL where unknown'

COMMENT ON COLUMN v_tasks.unit IS 'what is counted'

COMMENT ON COLUMN v_tasks.failed IS 'items that failed, part of done'

COMMENT ON COLUMN v_tasks.message IS 'the last message'

COMMENT ON COLUMN v_tasks.error_type IS 'class of the exception that ended it'

COMMENT ON COLUMN v_tasks.error IS 'text of the exception that ended it'

COMMENT ON COLUMN v_tasks.started IS 'UTC; NULL while pending'

COMMENT ON COLUMN v_tasks.updated IS 'UTC, last change'

COMMENT ON COLUMN v_tasks.ended IS 'UTC; NULL while it has no end'

COMMENT ON COLUMN v_tasks.seconds IS 'duration; for what runs, until its last change'

COMMENT ON COLUMN v_tasks.host IS 'where it ran'

COMMENT ON COLUMN v_tasks.pid IS 'its process'

COMMENT ON COLUMN v_tasks.key IS 'names the task within its session'

COMMENT ON COLUMN v_tasks.attempt IS '1 for the first start under this key'

COMMENT ON COLUMN v_tasks.parent_id IS 'the task it is nested in; NULL for a root'

COMMENT ON COLUMN v_tasks.active IS 'items being worked on'

COMMENT ON COLUMN v_tasks.cancelled IS 'items cancelled'

COMMENT ON COLUMN v_tasks.meta IS 'metadata, a JSON object'

COMMENT ON COLUMN v_tasks.started_at IS 'seconds since 1970, UTC'

COMMENT ON COLUMN v_tasks.updated_at IS 'seconds since 1970, UTC'

COMMENT ON COLUMN v_tasks.ended_at IS 'seconds since 1970, UTC'

CREATE VIEW v_running AS
-- What runs now, true as of the last settlement: what lost its owner since then is still here.
SELECT
  t.id AS id, -- the task's number in this store, as in `progstore show 17/42`
  t.session_id AS session_id, -- its session
  t.session_name AS session, -- the session's name; with the task's name it is the history
  t.name AS name, -- the task's name
  CAST(floor(10 * (CASE WHEN t.status = 'complete' THEN 100.0 WHEN t.simulate_since IS NOT NULL THEN NULL WHEN t.percent IS NOT NULL THEN greatest(0.0, least(t.percent, 100.0)) WHEN t.total > 0 THEN 100.0 * greatest(0.0, least(t.done, t.total)) / t.total WHEN t.status = 'pending' THEN 0.0 END) + 0.000001) AS bigint) / 10.0 AS percent, -- 0 to 100, a tenth rounded down; NULL where simulated or the total is unknown
  t.done AS done, -- items done, failed ones too
  t.total AS total, -- items in all; NULL where unknown
  t.unit AS unit, -- what is counted
  t.failed AS failed, -- items that failed, part of done
  t.message AS message, -- the last message
  CASE WHEN t.started_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS started, -- UTC; NULL while pending
  CASE WHEN t.updated_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.updated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS updated, -- UTC, last change
  coalesce(t.duration, CASE WHEN t.updated_at - t.started_at < 0.0 THEN 0.0 ELSE t.updated_at - t.started_at END) AS seconds, -- duration; for what runs, until its last change
  coalesce(p.host, s.host) AS host, -- where it ran
  p.pid AS pid, -- its process
  t.key AS key, -- names the task within its session
  t.attempt AS attempt, -- 1 for the first start under this key
  t.parent_id AS parent_id, -- the task it is nested in; NULL for a root
  t.active AS active, -- items being worked on
  t.cancelled AS cancelled, -- items cancelled
  (SELECT '{' || coalesce(string_agg(to_json(m.key)::text || ':' || m.value, ',' ORDER BY m.key), '') || '}' FROM metadata AS m WHERE m.session_id = t.session_id AND m.task_id = t.id) AS meta, -- metadata, a JSON object
  t.started_at AS started_at, -- seconds since 1970, UTC
  t.updated_at AS updated_at -- seconds since 1970, UTC
FROM tasks AS t JOIN sessions AS s ON s.id = t.session_id LEFT JOIN processes AS p ON p.id = t.process_id WHERE t.ended_at IS NULL AND t.status = 'running' AND t.lost_at IS NULL

COMMENT ON VIEW v_running IS 'What runs now, true as of the last settlement: what lost its owner since then is still here.'

COMMENT ON COLUMN v_running.id IS 'the task''s number in this store, as in `progstore show 17/42`'

COMMENT ON COLUMN v_running.session_id IS 'its session'

COMMENT ON COLUMN v_running.session IS 'the session''s name; with the task''s name it is the history'

COMMENT ON COLUMN v_running.name IS 'the task''s name'

COMMENT ON COLUMN v_running.percent IS '0 to 100, a tenth rounded down; NULL where simulated or the total is unknown'

COMMENT ON COLUMN v_running.done IS 'items done, failed ones too'

COMMENT ON COLUMN v_running.total IS 'items in all; NULL where unknown'

COMMENT ON COLUMN v_running.unit IS 'what is counted'

COMMENT ON COLUMN v_running.failed IS 'items that failed, part of done'

COMMENT ON COLUMN v_running.message IS 'the last message'

COMMENT ON COLUMN v_running.started IS 'UTC; NULL while pending'

COMMENT ON COLUMN v_running.updated IS 'UTC, last change'

COMMENT ON COLUMN v_running.seconds IS 'duration; for what runs, until its last change'

COMMENT ON COLUMN v_running.host IS 'where it ran'

COMMENT ON COLUMN v_running.pid IS 'its process'

COMMENT ON COLUMN v_running.key IS 'names the task within its session'

COMMENT ON COLUMN v_running.attempt IS '1 for the first start under this key'

COMMENT ON COLUMN v_running.parent_id IS 'the task it is nested in; NULL for a root'

COMMENT ON COLUMN v_running.active IS 'items being worked on'

COMMENT ON COLUMN v_running.cancelled IS 'items cancelled'

COMMENT ON COLUMN v_running.meta IS 'metadata, a JSON object'

COMMENT ON COLUMN v_running.started_at IS 'seconds since 1970, UTC'

COMMENT ON COLUMN v_running.updated_at IS 'seconds since 1970, UTC'

CREATE VIEW v_history AS
-- One row per ended run of each history (session name, task name).
SELECT
  t.session_name AS session, -- the session's name
  t.name AS name, -- the task's name
  t.session_id AS session_id, -- the session of this run
  t.id AS task_id, -- the task of this run
  t.attempt AS attempt, -- 1 for the first start under its key
  t.status AS status, -- complete, error or cancelled
  CASE WHEN t.started_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS started, -- UTC
  CASE WHEN t.ended_at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(t.ended_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS ended, -- UTC
  t.duration AS seconds, -- duration
  t.done AS done, -- items done, failed ones too
  t.failed AS failed, -- items that failed, part of done
  t.unit AS unit, -- what is counted
  (t.done - coalesce(t.resumed_from, 0)) / nullif(t.duration, 0) AS rate, -- items a second, mean of the run
  t.error_type AS error_type, -- class of the exception that ended it
  t.error AS error, -- text of the exception that ended it
  t.started_at AS started_at -- seconds since 1970, UTC
FROM tasks AS t WHERE t.status IN ('complete', 'error', 'cancelled')

COMMENT ON VIEW v_history IS 'One row per ended run of each history (session name, task name).'

COMMENT ON COLUMN v_history.session IS 'the session''s name'

COMMENT ON COLUMN v_history.name IS 'the task''s name'

COMMENT ON COLUMN v_history.session_id IS 'the session of this run'

COMMENT ON COLUMN v_history.task_id IS 'the task of this run'

COMMENT ON COLUMN v_history.attempt IS '1 for the first start under its key'

COMMENT ON COLUMN v_history.status IS 'complete, error or cancelled'

COMMENT ON COLUMN v_history.started IS 'UTC'

COMMENT ON COLUMN v_history.ended IS 'UTC'

COMMENT ON COLUMN v_history.seconds IS 'duration'

COMMENT ON COLUMN v_history.done IS 'items done, failed ones too'

COMMENT ON COLUMN v_history.failed IS 'items that failed, part of done'

COMMENT ON COLUMN v_history.unit IS 'what is counted'

COMMENT ON COLUMN v_history.rate IS 'items a second, mean of the run'

COMMENT ON COLUMN v_history.error_type IS 'class of the exception that ended it'

COMMENT ON COLUMN v_history.error IS 'text of the exception that ended it'

COMMENT ON COLUMN v_history.started_at IS 'seconds since 1970, UTC'

CREATE VIEW v_names AS
-- One row per history (session name, task name): how often it ran, how it went and how long it took.
SELECT
  g.session_name AS session, -- the session's name
  g.name AS name, -- the task's name
  g.runs AS runs, -- all runs, those that have not ended too
  g.complete AS complete, -- runs that ended well
  g.errors AS errors, -- runs that ended with an error
  g.cancelled AS cancelled, -- runs that were left early
  CAST(g.complete AS double precision) / nullif(g.complete + g.errors + g.cancelled, 0) AS success_rate, -- complete runs, as a part (0 to 1) of those that ended
  (SELECT r.duration FROM (SELECT x.duration, row_number() OVER (ORDER BY x.duration) AS place FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name AND x.status = 'complete' AND x.duration IS NOT NULL) AS r WHERE r.place = (g.timed + 1) / 2 LIMIT 1) AS median_seconds, -- of the complete runs, nearest rank
  (SELECT r.duration FROM (SELECT x.duration, row_number() OVER (ORDER BY x.duration) AS place FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name AND x.status = 'complete' AND x.duration IS NOT NULL) AS r WHERE r.place = (9 * g.timed + 9) / 10 LIMIT 1) AS p90_seconds, -- of the complete runs, nearest rank
  CASE WHEN (SELECT max(x.started_at) FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name) BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp((SELECT max(x.started_at) FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name)) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS last_started, -- UTC
  (SELECT max(x.started_at) FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name) AS last_started_at -- seconds since 1970, UTC
FROM (
  SELECT session_name, name, count(*) AS runs, count(*) FILTER (WHERE status = 'complete') AS complete, count(*) FILTER (WHERE status = 'error') AS errors,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled, count(*) FILTER (WHERE status = 'complete' AND duration IS NOT NULL) AS timed
  FROM tasks GROUP BY session_name, name
) AS g

COMMENT ON VIEW v_names IS 'One row per history (session name, task name): how often it ran, how it went and how long it took.'

COMMENT ON COLUMN v_names.session IS 'the session''s name'

COMMENT ON COLUMN v_names.name IS 'the task''s name'

COMMENT ON COLUMN v_names.runs IS 'all runs, those that have not ended too'

COMMENT ON COLUMN v_names.complete IS 'runs that ended well'

COMMENT ON COLUMN v_names.errors IS 'runs that ended with an error'

COMMENT ON COLUMN v_names.cancelled IS 'runs that were left early'

COMMENT ON COLUMN v_names.success_rate IS 'complete runs, as a part (0 to 1) of those that ended'

COMMENT ON COLUMN v_names.median_seconds IS 'of the complete runs, nearest rank'

COMMENT ON COLUMN v_names.p90_seconds IS 'of the complete runs, nearest rank'

COMMENT ON COLUMN v_names.last_started IS 'UTC'

COMMENT ON COLUMN v_names.last_started_at IS 'seconds since 1970, UTC'

CREATE VIEW v_events AS
-- One row per event; order by id, never by time.
SELECT
  e.id AS id, -- grows with each event
  CASE WHEN e.at BETWEEN -62135596800 AND 253402300799 THEN to_char(to_timestamp(e.at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS time, -- UTC
  e.kind AS kind, -- what happened: started, message, failed item, ended, ...
  e.message AS message, -- in words
  e.session_id AS session_id, -- its session
  s.name AS session, -- the session's name
  e.task_id AS task_id, -- its task; NULL where it happened to the session
  t.name AS task, -- the task's name
  e.data AS data, -- more of it, as JSON
  e.at AS at -- seconds since 1970, UTC
FROM events AS e JOIN sessions AS s ON s.id = e.session_id LEFT JOIN tasks AS t ON t.id = e.task_id

COMMENT ON VIEW v_events IS 'One row per event; order by id, never by time.'

COMMENT ON COLUMN v_events.id IS 'grows with each event'

COMMENT ON COLUMN v_events.time IS 'UTC'

COMMENT ON COLUMN v_events.kind IS 'what happened: started, message, failed item, ended, ...'

COMMENT ON COLUMN v_events.message IS 'in words'

COMMENT ON COLUMN v_events.session_id IS 'its session'

COMMENT ON COLUMN v_events.session IS 'the session''s name'

COMMENT ON COLUMN v_events.task_id IS 'its task; NULL where it happened to the session'

COMMENT ON COLUMN v_events.task IS 'the task''s name'

COMMENT ON COLUMN v_events.data IS 'more of it, as JSON'

COMMENT ON COLUMN v_events.at IS 'seconds since 1970, UTC'

CREATE VIEW v_curves AS
-- One row per kept point of a task's curve: how far it was after how long; at most 64 a task.
SELECT
  t.id AS task_id, -- the task
  CAST(c.value ->> 0 AS double precision) AS seconds, -- since its start
  CAST(c.value ->> 1 AS double precision) AS done -- items done by then
FROM tasks AS t, jsonb_array_elements(CAST(t.curve AS jsonb)) AS c(value)

COMMENT ON VIEW v_curves IS 'One row per kept point of a task''s curve: how far it was after how long; at most 64 a task.'

COMMENT ON COLUMN v_curves.task_id IS 'the task'

COMMENT ON COLUMN v_curves.seconds IS 'since its start'

COMMENT ON COLUMN v_curves.done IS 'items done by then'
