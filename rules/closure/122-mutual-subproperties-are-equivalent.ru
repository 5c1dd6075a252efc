# Two properties that include each other are equivalent.
# rule: scm-eqp2

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?p owl:equivalentProperty ?q }
WHERE {
  ?p rdfs:subPropertyOf ?q .
  ?q rdfs:subPropertyOf ?p .
  FILTER(?p != ?q)
  FILTER NOT EXISTS { ?p owl:equivalentProperty ?q }
}
