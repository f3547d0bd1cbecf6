"""`python -m progstore`: the command line."""

from progstore.cli import main

if __name__ == "__main__":
    main()
