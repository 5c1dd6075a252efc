# Equivalent properties are subproperties of each other.
# rule: scm-eqp1

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?p rdfs:subPropertyOf ?q }
WHERE {
  ?p owl:equivalentProperty|^owl:equivalentProperty ?q .
  FILTER(?p != ?q)
  FILTER NOT EXISTS { ?p rdfs:subPropertyOf ?q }
}
