# One further link of a longer property chain, before its last.
# rule: prp-spo2

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX on: <https://w3id.org/ontune#>

INSERT { ?x ?link ?z }
WHERE {
  ?cell on:link ?before ; rdf:rest ?next .
  ?next rdf:first ?q ; on:link ?link .
  ?x ?before ?y .
  ?y ?q ?z .
  FILTER NOT EXISTS { ?x ?link ?z }
}
