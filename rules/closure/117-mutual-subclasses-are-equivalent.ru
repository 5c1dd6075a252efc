# Two classes that include each other are equivalent.
# rule: scm-eqc2

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?c owl:equivalentClass ?d }
WHERE {
  ?c rdfs:subClassOf ?d .
  ?d rdfs:subClassOf ?c .
  FILTER(?c != ?d)
  FILTER NOT EXISTS { ?c owl:equivalentClass ?d }
}
