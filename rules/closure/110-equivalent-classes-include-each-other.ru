# Equivalent classes are subclasses of each other.
# rule: scm-eqc1

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?c rdfs:subClassOf ?d }
WHERE {
  ?c owl:equivalentClass|^owl:equivalentClass ?d .
  FILTER(?c != ?d)
  FILTER NOT EXISTS { ?c rdfs:subClassOf ?d }
}
