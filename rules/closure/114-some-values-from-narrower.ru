# A someValuesFrom restriction is monotone in its filler and in its property.
# rule: scm-svf1, scm-svf2

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?c rdfs:subClassOf ?d }
WHERE {
  {
    ?c owl:someValuesFrom ?narrow ; owl:onProperty ?p .
    ?narrow rdfs:subClassOf ?wide .
    ?d owl:someValuesFrom ?wide ; owl:onProperty ?p .
  } UNION {
    ?c owl:someValuesFrom ?filler ; owl:onProperty ?p .
    ?p rdfs:subPropertyOf ?q .
    ?d owl:someValuesFrom ?filler ; owl:onProperty ?q .
  }
  FILTER(?c != ?d)
  FILTER NOT EXISTS { ?c rdfs:subClassOf ?d }
}
