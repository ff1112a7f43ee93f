"""
What proves that an agent is right: conformance kit, simulated propeller, stand-in tools.

* :mod:`flyte_agent_testing.propeller`: drives an agent service over gRPC as Flyte 1 and Flyte 2 do.
* :mod:`flyte_agent_testing.stories`: random schedules of faults, and what must hold whatever happens.
* :mod:`flyte_agent_testing.clock`: time that costs none.
* :mod:`flyte_agent_testing.virtual`: an event loop of which time is a part.
* :mod:`flyte_agent_testing.loopback`: gRPC without a network.
* :mod:`flyte_agent_testing.templates`: task templates and create requests in one call.
* :mod:`flyte_agent_testing.server`: HTTP servers that stand in for vendors, with scripted faults.
* :mod:`flyte_agent_testing.plugin`: fixtures for pytest.
"""
