# One further link of a longer property chain, before its last.
# rule: prp-spo2
# trigger: owl:propertyChainAxiom
# reads: property chain
# writes: chain

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX on: <https://w3id.org/ontune#>

INSERT { GRAPH ?next { ?x on:reaches ?z } }
WHERE {
  ?chained owl:propertyChainAxiom/rdf:rest+ ?cell .
  ?cell rdf:rest ?next .
  ?next rdf:first ?p ; rdf:rest ?further .
  ?further rdf:first ?q .
  GRAPH ?cell { ?x on:reaches ?y }
  ?y ?p ?z .
  FILTER NOT EXISTS { GRAPH ?next { ?x on:reaches ?z } }
}
