# The individuals that a oneOf class lists are its members.
# rule: cls-oo

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x a ?c }
WHERE {
  ?c owl:oneOf/rdf:rest*/rdf:first ?x .
  FILTER(!isLiteral(?x))
  FILTER NOT EXISTS { ?x a ?c }
}
