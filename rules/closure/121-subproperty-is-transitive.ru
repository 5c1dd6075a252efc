# The subproperty relation is transitive.
# rule: scm-spo

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?p rdfs:subPropertyOf ?q }
WHERE {
  ?p rdfs:subPropertyOf ?between .
  ?between rdfs:subPropertyOf ?q .
  FILTER(?p != ?q)
  FILTER NOT EXISTS { ?p rdfs:subPropertyOf ?q }
}
