"""What runs in this process: loops are counted, tasks and sessions live, the recorder writes them down."""
