# In a property chain of three or more, what the links up to an inner list cell reach gets a property of its own; the closure removes it at its end.
# rule: prp-spo2

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX on: <https://w3id.org/ontune#>

INSERT { ?cell on:link ?link }
WHERE {
  ?chained owl:propertyChainAxiom/rdf:rest+ ?cell .
  ?cell rdf:rest/rdf:first ?further .
  FILTER NOT EXISTS { ?cell on:link ?known }
  BIND(UUID() AS ?link)
}
