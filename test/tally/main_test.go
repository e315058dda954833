package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const (
		pass   = `{"Action":"pass","Package":"m/a","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"m/a"}` + "\n"
		fail   = `{"Action":"output","Package":"m/a","Test":"TestA","Output":"boom\n"}` + "\n" + `{"Action":"fail","Package":"m/a","Test":"TestA"}` + "\n" + `{"Action":"fail","Package":"m/a"}` + "\n"
		skip   = `{"Action":"output","Package":"m/a","Test":"TestS","Output":"no vectors\n"}` + "\n" + `{"Action":"skip","Package":"m/a","Test":"TestS"}` + "\n"
		broken = `{"Action":"output","Package":"m/a","Output":"panic: x\n"}` + "\n" + `{"Action":"fail","Package":"m/a"}` + "\n"
	)
	tests := map[string]struct {
		in      string
		require []string
		good    bool
		says    string
	}{
		"passes":                  {pass, []string{"m/a"}, true, "1 passed, 0 failed, 0 skipped"},
		"fails":                   {fail, nil, false, "boom"},
		"fails with a pass":       {pass + fail, nil, false, "1 passed, 1 failed"},
		"shows skips":             {pass + skip, nil, true, "no vectors"},
		"does not build":          {broken, nil, false, "panic: x"},
		"nothing ran":             {"", nil, false, "0 passed"},
		"only skipped":            {skip, nil, false, "0 passed"},
		"a required suite absent": {pass, []string{"m/b"}, false, "suite m/b passed no test"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			tally := tally{suites: map[string]*suite{}, output: map[string]*strings.Builder{}, out: &out}
			if err := tally.read(strings.NewReader(test.in)); err != nil {
				t.Fatal(err)
			}
			if good := tally.report(test.require); good != test.good {
				t.Errorf("good is %v", good)
			}
			if !strings.Contains(out.String(), test.says) {
				t.Errorf("%q does not say %q", out.String(), test.says)
			}
		})
	}
}
