# An intersection is a subclass of each of its members.
# rule: scm-int

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?intersection rdfs:subClassOf ?member }
WHERE {
  ?intersection owl:intersectionOf/rdf:rest*/rdf:first ?member .
  FILTER NOT EXISTS { ?intersection rdfs:subClassOf ?member }
}
