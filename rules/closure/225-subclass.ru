# A member of a class is a member of its superclasses.
# rule: cax-sco, cax-eqc1, cax-eqc2, cls-int2, cls-uni
# settled: the subclass relation is transitive by now, so its own conclusions give it nothing new

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?x a ?d }
WHERE {
  ?c rdfs:subClassOf ?d .
  FILTER(?c != ?d)
  ?x a ?c .
  FILTER NOT EXISTS { ?x a ?d }
}
