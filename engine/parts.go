package engine

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// parts is what of a JSON document is read: all of it, or some members of it. The
// nil one reads nothing. It is not changed once it is in use.
type parts struct {
	all     bool
	members map[string]*parts // :: name -> what is read of the member
}

// everything is the whole document.
var everything = &parts{all: true}

// partsAsked is what the rules at ref can ask of the input document, themselves or
// through others, wherever a constant path says so. It may be more than they ask
// for, and is never less: in compiled rules every mention of input is a reference.
func partsAsked(compiler *ast.Compiler, ref ast.Ref) *parts {
	asked, seen := &parts{}, map[*ast.Rule]bool{}
	var follow func(ast.Ref) bool
	follow = func(ref ast.Ref) bool {
		if ref[0].Equal(ast.InputRootDocument) {
			asked.add(ref[1:]...)
			return false
		}
		for _, rule := range compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true}) {
			if !seen[rule] {
				seen[rule] = true
				ast.WalkRefs(rule, follow)
			}
		}
		return false
	}
	follow(ref)
	return asked
}

// add adds what lies at path, up to where path is no longer constant.
func (p *parts) add(path ...*ast.Term) {
	if p.all {
		return
	}
	if len(path) > 0 {
		if name, ok := path[0].Value.(ast.String); ok {
			p.member(string(name)).add(path[1:]...)
			return
		}
	}
	p.all, p.members = true, nil
}

// member is what is read of a member, for more to be added to.
func (p *parts) member(name string) *parts {
	if p.members == nil {
		p.members = make(map[string]*parts)
	}
	if p.members[name] == nil {
		p.members[name] = &parts{}
	}
	return p.members[name]
}

// of is what is read of a member.
func (p *parts) of(name []byte) *parts {
	if p == nil || p.all {
		return p
	}
	return p.members[string(name)]
}
