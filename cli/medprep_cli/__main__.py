"""``python -m medprep_cli``."""

from medprep_cli.main import main

if __name__ == "__main__":
    main()
