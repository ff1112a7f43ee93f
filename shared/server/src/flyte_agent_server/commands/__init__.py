"""What each command of ``flyte-agent`` does; imported when it is called."""
