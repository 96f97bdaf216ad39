"""`python -m llm_sidecar` is the command `llm-sidecar`."""

from llm_sidecar.cli.main import main

if __name__ == "__main__":
    main()
