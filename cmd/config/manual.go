package config

import (
	"fmt"
	"strings"
)

// SampleFile returns a YAML file with every setting at its default and its purpose as a
// comment.
func SampleFile() string {
	var b strings.Builder
	c := Default()
	section := ""
	for _, s := range c.Settings() {
		name := s.Key
		if of, rest, nested := strings.Cut(s.Key, "."); nested {
			if of != section {
				fmt.Fprintf(&b, "%s:\n", of)
			}
			section, name = of, "  "+rest
		}
		value := s.String()
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(&b, "%-29s # %s\n", name+": "+value, s.Usage)
	}
	return b.String()
}

// Table returns a Markdown table of every setting.
func Table() string {
	var b strings.Builder
	b.WriteString("| setting | default | may be | |\n|---|---|---|---|\n")
	c := Default()
	for _, s := range c.Settings() {
		value := s.String()
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, value, s.Allowed, strings.ReplaceAll(s.Usage, "|", `\|`))
	}
	return b.String()
}
