"""The gRPC service for Flyte agents and the ``flyte-agent`` command."""
