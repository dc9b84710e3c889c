"""The registry's HTTP API: everything below `/v1`, and what watches the service.

Belongs here: transport: who asks, what a request and an answer look like, what is said when it is refused. Does not:
rules and storage (`registry.service` decides everything), the pages for people (`registry.pages`).

    app               puts it together
    middleware        what happens to every request, before and after a route
    authentication    token or OIDC → Principal              dependencies   what a route asks for
    routing           routes that know their permission      problems       refusals as documents
    bodies, answers   what is sent and what comes back       routes         one module per kind of entity
"""
