package main

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	const (
		pass   = `{"Action":"pass","Package":"m/a","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"m/a","Elapsed":1.5}` + "\n"
		fail   = `{"Action":"output","Package":"m/a","Test":"TestA","Output":"boom\n"}` + "\n" + `{"Action":"fail","Package":"m/a","Test":"TestA"}` + "\n" + `{"Action":"fail","Package":"m/a"}` + "\n"
		skip   = `{"Action":"output","Package":"m/a","Test":"TestS","Output":"no vectors\n"}` + "\n" + `{"Action":"skip","Package":"m/a","Test":"TestS"}` + "\n"
		broken = `{"Action":"output","Package":"m/a","Output":"panic: x\n"}` + "\n" + `{"Action":"fail","Package":"m/a"}` + "\n"
		empty  = `{"Action":"output","Package":"m/b","Output":"no tests to run\n"}` + "\n" + `{"Action":"pass","Package":"m/b"}` + "\n"
		none   = `{"Action":"output","Package":"m/b","Output":"[no test files]\n"}` + "\n" + `{"Action":"skip","Package":"m/b"}` + "\n"
	)
	tests := map[string]struct {
		in       string
		want     []string
		untested []string
		good     bool
		says     string
	}{
		"passes":                     {pass, []string{"m/a"}, nil, true, "1 passed, 0 failed, 0 skipped\n"},
		"says how long a suite took": {pass, []string{"m/a"}, nil, true, "1.5 s\n"},
		"says how long all took":     {pass, []string{"m/a"}, nil, true, "packages took 1.5 s one by one, 61.0 s by the clock"},
		"fails":                      {fail, nil, nil, false, "boom"},
		"fails with a pass":          {pass + fail, nil, nil, false, "1 passed, 1 failed"},
		"shows skips":                {pass + skip, nil, nil, true, "no vectors"},
		"does not build":             {broken, nil, nil, false, "panic: x"},
		"nothing ran":                {"", nil, nil, false, "0 passed"},
		"only skipped":               {skip, nil, nil, false, "0 passed"},
		"a package is absent":        {pass, []string{"m/b"}, nil, false, "package m/b passed no test"},
		"a package ran no test":      {pass + empty, []string{"m/a", "m/b"}, nil, false, "package m/b passed no test"},
		"a package has no files":     {pass + none, []string{"m/a", "m/b"}, nil, false, "package m/b passed no test"},
		"it may have none":           {pass + none, []string{"m/a", "m/b"}, []string{"m/b"}, true, "1 passed"},
		"it may have none no more":   {pass, []string{"m/a"}, []string{"m/a"}, false, "package m/a has tests now"},
		"a name's end is no name":    {pass, []string{"a"}, nil, false, "package a passed no test"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			tally := newTally(&out)
			if err := tally.read(strings.NewReader(test.in)); err != nil {
				t.Fatal(err)
			}
			if good := tally.report(test.want, test.untested, 61*time.Second); good != test.good {
				t.Errorf("reported good %v, want %v:\n%s", good, test.good, out.String())
			}
			if !strings.Contains(out.String(), test.says) {
				t.Errorf("the report does not say %q:\n%s", test.says, out.String())
			}
		})
	}
}
