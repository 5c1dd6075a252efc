# Two members of a class that agree on all properties of a key are the same individual.
# rule: prp-key

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x owl:sameAs ?y }
WHERE {
  ?c owl:hasKey ?key .
  ?key rdf:first ?p .
  ?x a ?c ; ?p ?value .
  ?y ?p ?value ; a ?c .
  FILTER(?x != ?y)
  FILTER NOT EXISTS { ?x owl:sameAs ?y }
  FILTER NOT EXISTS {
    ?key rdf:rest+/rdf:first ?further .
    FILTER NOT EXISTS { ?x ?further ?common . ?y ?further ?common }
  }
}
