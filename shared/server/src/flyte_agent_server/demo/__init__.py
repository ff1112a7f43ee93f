"""
``flyte-agent demo``: one story in chapters, told with what is installed.

A file arrives in S3, is queried in BigQuery, scored in Databricks and summarised by OpenAI. Each
package tells its own chapter, and names a class for it in its ``pyproject.toml``::

    [project.entry-points."flyte_agent.demo"]
    bigquery = "flyte_agent_bigquery.local.demo:Flights"

The class has the form of :class:`flyte_agent_server.demo.chapters.Chapter`; it is made without
arguments.
"""
