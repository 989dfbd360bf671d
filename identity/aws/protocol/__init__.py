"""AWS's wire protocols, made from the service models that botocore ships.

No operation is written by hand. A service model names every operation with the shapes of its input and output, and each
shape with its constraints. `services.service` loads a model and compiles the shapes of an operation, when it is first asked
for, into closures: one that reads a request's parameters, one that checks them, one that writes a result. `calls` turns
a request into a call of an operation, `answers` renders what came of it.

The order of the modules: `java_patterns`, `shapes`, `constraints`, `forms`; then `query_params`, `json_params`,
`xml_results`, `json_results`; then `services`, `calls`, `answers`.
"""
