package verdict.log_test

import data.verdict.lib.fixtures_test as f
import data.verdict.log

_masks(asked) := masks if {
	masks := log.mask with input as {"input": asked, "result": {"decision": "allow"}}
}

test_an_ordinary_question_is_kept_whole if {
	_masks(f.question) == set()
}

test_credentials_in_what_callers_choose_go if {
	every place in [["context"], ["subject", "properties"], ["action", "properties"], ["resource", "properties"]] {
		_masks(f.changed(f.question, array.concat(place, ["authorization"]), "Bearer x")) == {concat("/", array.flatten(["/input", place, "authorization"]))}
	}
}

test_names_are_the_same_in_any_case if {
	_masks(f.changed(f.question, ["context", "X-API-Key"], "vk_1")) == {"/input/context/X-API-Key"}
}

test_letters_that_only_lower_case_tells_are_the_same_too if {
	_masks(f.changed(f.question, ["context", "coo\u212aie"], "sid=1")) == {"/input/context/coo\u212aie"}
}

test_a_name_is_the_whole_name if {
	every name in ["tokens", "my-token", "\"token\"", "to\"ken", ""] {
		_masks(f.changed(f.question, ["context", name], "x")) == set()
	}
}

test_a_value_is_no_name if {
	_masks(f.changed(f.question, ["context", "note"], ["token", {"a": "secret"}])) == set()
}

test_credentials_go_at_any_depth if {
	_masks(f.changed(f.question, ["context", "headers"], [{"a/b~c": {"cookie": "sid=1"}}])) == {"/input/context/headers/0/a~1b~0c/cookie"}
}

test_what_lies_within_a_credential_goes_with_it if {
	_masks(f.changed(f.question, ["context", "secret"], {"password": "x", "note": "y"})) == {"/input/context/secret"}
}

test_what_the_verifier_says_stays if {
	_masks(f.changed(f.question, ["credential", "id"], "cred-1")) == set()
}

test_a_question_without_members_needs_no_mask if {
	_masks({}) == set()
}

test_a_question_without_some_members_is_looked_at_all_the_same if {
	_masks({"context": {"cookie": "sid=1"}}) == {"/input/context/cookie"}
	_masks({"action": {"name": "a", "properties": {"token": "x"}}}) == {"/input/action/properties/token"}
}
