"""Jobs: functions that may be started by name, from the command line and from the board.

`declaring` has the decorator and what it makes of a function, `parameters` the values that one may give, `starting`
starts a job in a process of its own, `working` is what runs in that process, `printed` keeps what it prints.
"""
