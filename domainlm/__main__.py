"""`python -m domainlm` is the command `domainlm`."""

from domainlm.cli import main

if __name__ == "__main__":
    main()
