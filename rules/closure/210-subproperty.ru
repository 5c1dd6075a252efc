# A value of a property is a value of its superproperties.
# rule: prp-spo1, prp-eqp1, prp-eqp2
# settled: the subproperty relation is transitive by now, so its own conclusions give it nothing new

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?x ?q ?y }
WHERE {
  ?p rdfs:subPropertyOf ?q .
  FILTER(?p != ?q)
  ?x ?p ?y .
  FILTER NOT EXISTS { ?x ?q ?y }
}
