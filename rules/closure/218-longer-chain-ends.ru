# What the last link of a longer property chain reaches is a value of the chained property.
# rule: prp-spo2

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX on: <https://w3id.org/ontune#>

INSERT { ?x ?chained ?z }
WHERE {
  ?chained owl:propertyChainAxiom/rdf:rest+ ?cell .
  ?cell on:link ?before ; rdf:rest ?last .
  ?last rdf:first ?q ; rdf:rest rdf:nil .
  ?x ?before ?y .
  ?y ?q ?z .
  FILTER NOT EXISTS { ?x ?chained ?z }
}
