"""`python -m servable` is the `servable` command."""

from servable.cli.main import main

if __name__ == "__main__":
    main()
