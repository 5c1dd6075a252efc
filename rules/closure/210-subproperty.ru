# A value of a property is a value of its superproperties.
# rule: prp-spo1, prp-eqp1, prp-eqp2

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?x ?q ?y }
WHERE {
  ?p rdfs:subPropertyOf ?q .
  FILTER(?p != ?q)
  ?x ?p ?y .
  FILTER NOT EXISTS { ?x ?q ?y }
}
