"""`python -m proxy` is `pointsman`."""

from proxy.cli.main import main

if __name__ == "__main__":
    main()
