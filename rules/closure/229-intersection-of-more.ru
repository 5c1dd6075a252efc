# A member of every class of an intersection of three or more is a member of the intersection.
# rule: cls-int1

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x a ?intersection }
WHERE {
  ?intersection owl:intersectionOf ?list .
  ?list rdf:first ?class ; rdf:rest ?tail .
  ?tail rdf:first ?other ; rdf:rest ?more .
  ?more rdf:first ?third .
  ?x a ?class .
  ?x a ?other .
  ?x a ?third .
  FILTER NOT EXISTS { ?x a ?intersection }
  FILTER NOT EXISTS {
    ?more rdf:rest+/rdf:first ?further .
    FILTER NOT EXISTS { ?x a ?further }
  }
}
