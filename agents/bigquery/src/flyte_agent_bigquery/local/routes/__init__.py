"""The REST API, resource by resource."""
