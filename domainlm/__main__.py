"""`python -m domainlm` is the command `domainlm`."""

if __name__ == "__main__":
    # Here, since worker processes import this module too, under another name.
    from domainlm.cli import main

    main()
