CREATE VIEW v_sessions AS
-- One row per session: one run of a program, or a group of tasks that a program declared.
SELECT
  s.id AS id, -- the session's number in this store, as in `progstore show 17`
  s.name AS name, -- sessions of one name form its history
  (SELECT CASE WHEN s.end_status = 'error' OR total(t.status = 'error') > 0 THEN 'error' WHEN total(t.status = 'running') > 0 THEN 'running' WHEN s.kind <> 'declared' AND s.end_status IS NULL THEN 'running' WHEN total(t.status = 'pending') > 0 THEN 'pending' WHEN s.end_status IS NOT NULL THEN s.end_status WHEN count(*) = 0 THEN 'pending' WHEN total(t.status = 'cancelled') > 0 THEN 'cancelled' ELSE 'complete' END FROM tasks AS t WHERE t.session_id = s.id AND NOT EXISTS (SELECT 1 FROM tasks AS n WHERE n.session_id = t.session_id AND n.key = t.key AND n.attempt > t.attempt)) AS status, -- from the newest attempt of each task, and the session's own end
  CASE WHEN s.ended_at IS NULL AND s.kind <> 'declared' THEN strftime('%Y-%m-%d %H:%M:%S', coalesce(p.lost_at, p.ended_at), 'unixepoch') END AS lost, -- UTC, owner gone; true as of the last settlement, see `progstore prune`
  (SELECT CASE WHEN total(t.simulate_since IS NOT NULL AND t.status <> 'complete') > 0 THEN NULL ELSE CAST(avg(coalesce(CASE WHEN t.status = 'complete' THEN 100.0 WHEN t.simulate_since IS NOT NULL THEN NULL WHEN t.percent IS NOT NULL THEN max(0.0, min(t.percent, 100.0)) WHEN t.total > 0 THEN 100.0 * max(0.0, min(t.done, t.total)) / t.total WHEN t.status = 'pending' THEN 0.0 END, 0.0)) + 0.000001 AS INTEGER) END FROM tasks AS t WHERE t.session_id = s.id AND NOT EXISTS (SELECT 1 FROM tasks AS n WHERE n.session_id = t.session_id AND n.key = t.key AND n.attempt > t.attempt) AND t.parent_id IS NULL) AS percent, -- mean of the root tasks, rounded down; NULL where one is simulated
  (SELECT count(*) FROM tasks AS t WHERE t.session_id = s.id) AS tasks, -- number of tasks, every attempt
  s.message AS message, -- the last message
  strftime('%Y-%m-%d %H:%M:%S', s.started_at, 'unixepoch') AS started, -- UTC
  strftime('%Y-%m-%d %H:%M:%S', s.ended_at, 'unixepoch') AS ended, -- UTC; NULL while it has no end
  s.duration AS seconds, -- duration; NULL while it has no end
  s.host AS host, -- where it ran
  p.pid AS pid, -- its process
  p.program AS program, -- script, module or notebook
  s.kind AS kind, -- ambient: by the first loop, block: by progstore.session(), declared: by Session.create()
  s.uid AS uid, -- the same in every store it is copied to
  (SELECT json_group_object(m.key, CASE WHEN json_valid(m.value) THEN json(m.value) ELSE json_quote(m.value) END) FROM metadata AS m WHERE m.session_id = s.id AND m.task_id = 0) AS meta, -- metadata, a JSON object
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

CREATE VIEW v_tasks AS
-- One row per task and attempt, ended or not.
SELECT
  t.id AS id, -- the task's number in this store, as in `progstore show 17/42`
  t.session_id AS session_id, -- its session
  t.session_name AS session, -- the session's name; with the task's name it is the history
  t.name AS name, -- the task's name
  t.status AS status, -- pending, running, complete, error or cancelled
  CASE WHEN t.ended_at IS NULL THEN strftime('%Y-%m-%d %H:%M:%S', t.lost_at, 'unixepoch') END AS lost, -- UTC, owner gone; true as of the last settlement, see `progstore prune`
  CAST(10 * (CASE WHEN t.status = 'complete' THEN 100.0 WHEN t.simulate_since IS NOT NULL THEN NULL WHEN t.percent IS NOT NULL THEN max(0.0, min(t.percent, 100.0)) WHEN t.total > 0 THEN 100.0 * max(0.0, min(t.done, t.total)) / t.total WHEN t.status = 'pending' THEN 0.0 END) + 0.000001 AS INTEGER) / 10.0 AS percent, -- 0 to 100, a tenth rounded down; NULL where simulated or the total is unknown
  t.done AS done, -- items done, failed ones too
  t.total AS total, -- items in all; NULL where unknown
  t.unit AS unit, -- what is counted
  t.failed AS failed, -- items that failed, part of done
  t.message AS message, -- the last message
  t.error_type AS error_type, -- class of the exception that ended it
  t.error AS error, -- text of the exception that ended it
  strftime('%Y-%m-%d %H:%M:%S', t.started_at, 'unixepoch') AS started, -- UTC; NULL while pending
  strftime('%Y-%m-%d %H:%M:%S', t.updated_at, 'unixepoch') AS updated, -- UTC, last change
  strftime('%Y-%m-%d %H:%M:%S', t.ended_at, 'unixepoch') AS ended, -- UTC; NULL while it has no end
  coalesce(t.duration, max(0.0, t.updated_at - t.started_at)) AS seconds, -- duration; for what runs, until its last change
  coalesce(p.host, s.host) AS host, -- where it ran
  p.pid AS pid, -- its process
  t.key AS key, -- names the task within its session
  t.attempt AS attempt, -- 1 for the first start under this key
  t.parent_id AS parent_id, -- the task it is nested in; NULL for a root
  t.active AS active, -- items being worked on
  t.cancelled AS cancelled, -- items cancelled
  (SELECT json_group_object(m.key, CASE WHEN json_valid(m.value) THEN json(m.value) ELSE json_quote(m.value) END) FROM metadata AS m WHERE m.session_id = t.session_id AND m.task_id = t.id) AS meta, -- metadata, a JSON object
  t.started_at AS started_at, -- seconds since 1970, UTC
  t.updated_at AS updated_at, -- seconds since 1970, UTC
  t.ended_at AS ended_at -- seconds since 1970, UTC
FROM tasks AS t JOIN sessions AS s ON s.id = t.session_id LEFT JOIN processes AS p ON p.id = t.process_id

CREATE VIEW v_running AS
-- What runs now, true as of the last settlement: what lost its owner since then is still here.
SELECT
  t.id AS id, -- the task's number in this store, as in `progstore show 17/42`
  t.session_id AS session_id, -- its session
  t.session_name AS session, -- the session's name; with the task's name it is the history
  t.name AS name, -- the task's name
  CAST(10 * (CASE WHEN t.status = 'complete' THEN 100.0 WHEN t.simulate_since IS NOT NULL THEN NULL WHEN t.percent IS NOT NULL THEN max(0.0, min(t.percent, 100.0)) WHEN t.total > 0 THEN 100.0 * max(0.0, min(t.done, t.total)) / t.total WHEN t.status = 'pending' THEN 0.0 END) + 0.000001 AS INTEGER) / 10.0 AS percent, -- 0 to 100, a tenth rounded down; NULL where simulated or the total is unknown
  t.done AS done, -- items done, failed ones too
  t.total AS total, -- items in all; NULL where unknown
  t.unit AS unit, -- what is counted
  t.failed AS failed, -- items that failed, part of done
  t.message AS message, -- the last message
  strftime('%Y-%m-%d %H:%M:%S', t.started_at, 'unixepoch') AS started, -- UTC; NULL while pending
  strftime('%Y-%m-%d %H:%M:%S', t.updated_at, 'unixepoch') AS updated, -- UTC, last change
  coalesce(t.duration, max(0.0, t.updated_at - t.started_at)) AS seconds, -- duration; for what runs, until its last change
  coalesce(p.host, s.host) AS host, -- where it ran
  p.pid AS pid, -- its process
  t.key AS key, -- names the task within its session
  t.attempt AS attempt, -- 1 for the first start under this key
  t.parent_id AS parent_id, -- the task it is nested in; NULL for a root
  t.active AS active, -- items being worked on
  t.cancelled AS cancelled, -- items cancelled
  (SELECT json_group_object(m.key, CASE WHEN json_valid(m.value) THEN json(m.value) ELSE json_quote(m.value) END) FROM metadata AS m WHERE m.session_id = t.session_id AND m.task_id = t.id) AS meta, -- metadata, a JSON object
  t.started_at AS started_at, -- seconds since 1970, UTC
  t.updated_at AS updated_at -- seconds since 1970, UTC
FROM tasks AS t JOIN sessions AS s ON s.id = t.session_id LEFT JOIN processes AS p ON p.id = t.process_id WHERE t.ended_at IS NULL AND t.status = 'running' AND t.lost_at IS NULL

CREATE VIEW v_history AS
-- One row per ended run of each history (session name, task name).
SELECT
  t.session_name AS session, -- the session's name
  t.name AS name, -- the task's name
  t.session_id AS session_id, -- the session of this run
  t.id AS task_id, -- the task of this run
  t.attempt AS attempt, -- 1 for the first start under its key
  t.status AS status, -- complete, error or cancelled
  strftime('%Y-%m-%d %H:%M:%S', t.started_at, 'unixepoch') AS started, -- UTC
  strftime('%Y-%m-%d %H:%M:%S', t.ended_at, 'unixepoch') AS ended, -- UTC
  t.duration AS seconds, -- duration
  t.done AS done, -- items done, failed ones too
  t.failed AS failed, -- items that failed, part of done
  t.unit AS unit, -- what is counted
  (t.done - coalesce(t.resumed_from, 0)) / nullif(t.duration, 0) AS rate, -- items a second, mean of the run
  t.error_type AS error_type, -- class of the exception that ended it
  t.error AS error, -- text of the exception that ended it
  t.started_at AS started_at -- seconds since 1970, UTC
FROM tasks AS t WHERE t.status IN ('complete', 'error', 'cancelled')

CREATE VIEW v_names AS
-- One row per history (session name, task name): how often it ran, how it went and how long it took.
SELECT
  g.session_name AS session, -- the session's name
  g.name AS name, -- the task's name
  g.runs AS runs, -- all runs, those that have not ended too
  g.complete AS complete, -- runs that ended well
  g.errors AS errors, -- runs that ended with an error
  g.cancelled AS cancelled, -- runs that were left early
  1.0 * g.complete / nullif(g.complete + g.errors + g.cancelled, 0) AS success_rate, -- complete runs, as a part (0 to 1) of those that ended
  (SELECT r.duration FROM (SELECT x.duration, row_number() OVER (ORDER BY x.duration) AS place FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name AND x.status = 'complete' AND x.duration IS NOT NULL) AS r WHERE r.place = (g.timed + 1) / 2 LIMIT 1) AS median_seconds, -- of the complete runs, nearest rank
  (SELECT r.duration FROM (SELECT x.duration, row_number() OVER (ORDER BY x.duration) AS place FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name AND x.status = 'complete' AND x.duration IS NOT NULL) AS r WHERE r.place = (9 * g.timed + 9) / 10 LIMIT 1) AS p90_seconds, -- of the complete runs, nearest rank
  strftime('%Y-%m-%d %H:%M:%S', (SELECT max(x.started_at) FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name), 'unixepoch') AS last_started, -- UTC
  (SELECT max(x.started_at) FROM tasks AS x WHERE x.session_name = g.session_name AND x.name = g.name) AS last_started_at -- seconds since 1970, UTC
FROM (
  SELECT session_name, name, count(*) AS runs, sum(status = 'complete') AS complete, sum(status = 'error') AS errors,
    sum(status = 'cancelled') AS cancelled, sum(status = 'complete' AND duration IS NOT NULL) AS timed
  FROM tasks GROUP BY session_name, name
) AS g

CREATE VIEW v_events AS
-- One row per event; order by id, never by time.
SELECT
  e.id AS id, -- grows with each event
  strftime('%Y-%m-%d %H:%M:%S', e.at, 'unixepoch') AS time, -- UTC
  e.kind AS kind, -- what happened: started, message, failed item, ended, ...
  e.message AS message, -- in words
  e.session_id AS session_id, -- its session
  s.name AS session, -- the session's name
  e.task_id AS task_id, -- its task; NULL where it happened to the session
  t.name AS task, -- the task's name
  e.data AS data, -- more of it, as JSON
  e.at AS at -- seconds since 1970, UTC
FROM events AS e JOIN sessions AS s ON s.id = e.session_id LEFT JOIN tasks AS t ON t.id = e.task_id

CREATE VIEW v_curves AS
-- One row per kept point of a task's curve: how far it was after how long; at most 64 a task.
SELECT
  t.id AS task_id, -- the task
  json_extract(c.value, '$[0]') AS seconds, -- since its start
  json_extract(c.value, '$[1]') AS done -- items done by then
FROM tasks AS t, json_each(t.curve) AS c
