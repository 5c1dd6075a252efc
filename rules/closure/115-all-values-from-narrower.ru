# An allValuesFrom restriction is monotone in its filler and antitone in its property.
# rule: scm-avf1, scm-avf2

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?c rdfs:subClassOf ?d }
WHERE {
  {
    ?c owl:allValuesFrom ?narrow ; owl:onProperty ?p .
    ?narrow rdfs:subClassOf ?wide .
    ?d owl:allValuesFrom ?wide ; owl:onProperty ?p .
  } UNION {
    ?d owl:allValuesFrom ?filler ; owl:onProperty ?p .
    ?p rdfs:subPropertyOf ?q .
    ?c owl:allValuesFrom ?filler ; owl:onProperty ?q .
  }
  FILTER(?c != ?d)
  FILTER NOT EXISTS { ?c rdfs:subClassOf ?d }
}
