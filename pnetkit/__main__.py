"""`python -m pnetkit` is `pnetkit`."""

from pnetkit.cli.main import main

if __name__ == "__main__":
    main()
