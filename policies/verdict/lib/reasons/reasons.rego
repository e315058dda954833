# METADATA
# title: Reasons
# description: >-
#   Makes the reason a denial gives out of the METADATA of its rule, so that the
#   document and the answer cannot differ.
package verdict.lib.reasons

# METADATA
# description: >-
#   A denial in the words of its rule's annotations (rego.metadata.rule()), its
#   description or else its title, with the facts it stands on. A rule that forgot its annotations still denies, and
#   its code says what is wrong with it.
denial(annotations, details) := {
	"code": object.get(custom, "code", "GUARD_MALFORMED"),
	"message": object.get(annotations, "description", object.get(annotations, "title", "")),
	"fix": object.get(custom, "fix", ""),
	"status": object.get(custom, "status", 403),
	"details": details,
} if {
	custom := object.get(annotations, "custom", {})
}
