"""
What proves that an agent is right: conformance kit, simulated propeller, stand-in tools.

* :mod:`flyte_agent_testing.propeller`: drives an agent service over gRPC as Flyte's propeller does.
* :mod:`flyte_agent_testing.clock`: time that costs none.
* :mod:`flyte_agent_testing.templates`: task templates and create requests in one call.
* :mod:`flyte_agent_testing.server`: HTTP servers that stand in for vendors, with scripted faults.
* :mod:`flyte_agent_testing.plugin`: fixtures for pytest.
"""
