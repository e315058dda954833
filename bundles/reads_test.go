package bundles_test

import (
	"strings"
	"testing"
)

// TestReads holds references below data to what the store, the packages and the
// bundle data can ever define.
func TestReads(t *testing.T) {
	const facts = "data.edges, data.entitlements, data.guards, data.lib, data.machine_users, data.modes, data.plans, data.renewals, data.revocations, data.services, data.settings, data.tenants, data.users, data.verdict"
	tests := []struct {
		body string
		want string // "" loads
	}{
		{`data.machine_user[input.id]`, "data.machine_user does not exist, so that it is always undefined; did you mean data.machine_users? There are " + facts},
		{`data["user"][input.id]`, "data.user does not exist, so that it is always undefined; did you mean data.users? There are "},
		{`data.tennts[input.id] == data.users.x`, "data.tennts does not exist, so that it is always undefined; did you mean data.tenants? There are "},
		{`data.issuers.demo`, "data.issuers is not shown to policies; there are " + facts},
		{`data.api_keys`, "data.api_keys is not shown to policies; there are "},
		{`data.users[data.machine_user[input.id].owner]`, "data.machine_user does not exist"},
		{`not data.user[input.id]`, "data.user does not exist"},
		{`count([1 | data.user[input.id]]) == 0`, "data.user does not exist"},
		{`every u in input.us { data.user[u] }`, "data.user does not exist"},
		{`f(data.user)`, "data.user does not exist"},
		{`data.lob.x.f(1)`, "data.lob does not exist, so that it is always undefined; did you mean data.lib? "},
		{`$"{data.user.x}" == ""`, "data.user does not exist"},
		{`input.x with input.x as data.user.x`, "data.user does not exist"},
		{`f(1) with data.user as {}`, "data.user does not exist"},
		{`data.verdict.lib.fcts.subject`, "data.verdict.lib.fcts does not exist, so that it is always undefined; did you mean data.verdict.lib.facts? There is only data.verdict.lib.facts"},
		{`data[input.c]`, "chooses a top-level document of data by a value; name the document you need"},
		{`some x; data[x]`, "chooses a top-level document of data by a value; name the document you need"},
		{`data[_].x == 1`, "chooses a top-level document of data by a value; name the document you need"},

		{`data.guards[name].deny[_] == name`, ""},
		{`data.guards.door.deny[_] == "x"`, ""},
		{`data.guards`, ""},
		{`data.verdict.lib`, ""},
		{`data.verdict.lib[_].subject`, ""},
		{`data.settings.limit > 1`, ""},
		{`data.settings.left_out > 1`, ""},
		{`data.settings.deep.left_out.more`, ""},
		{`data.verdict.config.left_out`, ""},
		{`f(1) with data.users as {}`, ""},
		{`f(1) with data.settings.limit as 2`, ""},
	}
	for _, test := range tests {
		t.Run(test.body, func(t *testing.T) {
			_, err := load(map[string]string{
				".manifest":                `{"roots": [""], "rego_version": 1}`,
				"data.json":                `{"settings": {"limit": 3, "deep": {}}}`,
				"verdict/config/data.yaml": "tier: 1\n",
				"verdict/lib/facts.rego":   "package verdict.lib.facts\n\nsubject := input.subject\n",
				"lib/f.rego":               "package lib.x\n\nf(x) if x\n",
				"lib/x.rego":               "package lib.x\n\nr if {\n\t" + test.body + "\n}\n",
				"lib/x_test.rego":          "package lib.x_test\n\ntest_r if { data.anything; data[_] }\n",
			})
			if test.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			wantProblems(t, err, []string{"lib/x.rego:4: " + test.want})
		})
	}
}

// TestReadsElsewhere looks where a body is not: imports, heads, defaults and
// else branches.
func TestReadsElsewhere(t *testing.T) {
	for policy, want := range map[string]string{
		"package lib.x\n\nimport data.machine_user as m\n\nr := m.x\n":   "lib/x.rego:3: data.machine_user does not exist",
		"package lib.x\n\nimport data.lib.y\n\nr := y.z\n":               "lib/x.rego:3: data.lib.y does not exist",
		"package lib.x\n\nimport data\n\nr := data.users.x\n":            "lib/x.rego:3: imports all of data; import the document",
		"package lib.x\n\nimport data as d\n\nr := d.user\n":             "lib/x.rego:3: imports all of data; import the document",
		"package lib.x\n\nr := data.user.x\n":                            "lib/x.rego:3: data.user does not exist",
		"package lib.x\n\nr contains data.user.x\n":                      "lib/x.rego:3: data.user does not exist",
		"package lib.x\n\nr[data.user.x] := 1\n":                         "lib/x.rego:3: data.user does not exist",
		"package lib.x\n\nr := 1 if input.x\n\nelse := data.user.x\n":    "lib/x.rego:5: data.user does not exist",
		"package lib.x\n\ndefault f(_) := 1\n\nf(x) := data.user[x].y\n": "lib/x.rego:5: data.user does not exist",
	} {
		_, err := load(map[string]string{"lib/x.rego": policy})
		if err == nil {
			t.Errorf("%q loads", policy)
			continue
		}
		wantProblems(t, err, []string{want})
	}
	mustLoad(t, map[string]string{"lib/x.rego": "package lib.x\n\nimport data.guards.door\nimport data.users as people\n\nr := door.deny if people[input.id]\n"})
}

// TestTheMaskReadsNoFacts refuses at the gate what would cost every record its input.
func TestTheMaskReadsNoFacts(t *testing.T) {
	for body, want := range map[string]string{
		`data.users[input.input.subject.id].state == "active"`: "verdict/log/mask.rego:4: the mask of the decision log reads data.users",
		`some id; data.edges[id][input.input.resource.id]`:     "the mask of the decision log reads data.edges",
		`input.input.context.note`:                             "",
		`data.settings.masked`:                                 "",
	} {
		_, err := load(map[string]string{
			".manifest":             `{"roots": [""], "rego_version": 1}`,
			"settings/data.json":    `{"masked": true}`,
			"verdict/log/mask.rego": "package verdict.log\n\nmask contains \"/input/context/note\" if {\n\t" + body + "\n}\n",
		})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: got error %v; want none", body, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf(`%s: got error %v; want one with %q`, body, err, want)
		}
	}
}
