# METADATA
# title: Log
# description: >-
#   What the decision log leaves out of the record of a decision. The input here is
#   {"input": the policy's input, "result": the decision}, as in OPA's decision log;
#   there are no facts.
package verdict.log

# METADATA
# description: >-
#   JSON pointers to remove. What callers send of their own choosing, the context and
#   the properties, may hold a credential by mistake; its name gives it away.
mask contains pointer if {
	not _ordinary
	some place, document in _open
	walk(document, [path, _])
	_is_credential(path)
	not _within_credential(path)
	pointer := concat("/", [place, concat("/", [_escaped(part) | some part in path])])
}

# Objects whose members callers choose.
_open["/input/context"] := input.input.context

_open["/input/subject/properties"] := input.input.subject.properties

_open["/input/action/properties"] := input.input.action.properties

_open["/input/resource/properties"] := input.input.resource.properties

# No such name is in the text of these objects, not even as a value. It is a cheap first
# check, and nearly always true. It is undefined if one of the objects is missing.
_ordinary if {
	text := lower(json.marshal([
		input.input.context,
		input.input.subject.properties,
		input.input.action.properties,
		input.input.resource.properties,
	]))
	not regex.match(_names, text)
}

# Names of members that hold credentials, in lower case, as JSON writes them.
_names := `"(access_token|api_key|authorization|client_assertion|client_secret|cookie|id_token|passwd|password|private_key|proxy-authorization|refresh_token|secret|set-cookie|token|x-api-key)"`

_is_credential(path) if {
	name := path[count(path) - 1]
	is_string(name)
	regex.replace(json.marshal(lower(name)), _names, "") == ""
}

# It is enough to remove the outer one.
_within_credential(path) if {
	some n, _ in path
	_is_credential(array.slice(path, 0, n))
}

# A part of a JSON pointer, RFC 6901 section 3.
_escaped(part) := replace(replace(part, "~", "~0"), "/", "~1") if is_string(part)

_escaped(part) := format_int(part, 10) if is_number(part)
