# Having a value for a property is a subclass of having it for a wider property.
# rule: scm-hv

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?c rdfs:subClassOf ?d }
WHERE {
  ?c owl:hasValue ?value ; owl:onProperty ?p .
  ?p rdfs:subPropertyOf ?q .
  ?d owl:onProperty ?q ; owl:hasValue ?value .
  FILTER(?c != ?d)
  FILTER NOT EXISTS { ?c rdfs:subClassOf ?d }
}
