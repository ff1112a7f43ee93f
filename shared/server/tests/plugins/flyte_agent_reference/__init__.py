"""A small agent on flyte-agent-core: what the tests of the server serve."""
