package bundles

import (
	"bytes"
	"strconv"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// ModesPackage makes the bundle authz.ModesBundle: data.modes, guard -> mode,
// which speaks before the modes that bundles set themselves. It is made here and
// so may be Trusted. The same modes and revision make the same bytes.
func ModesPackage(modes map[string]string, revision string) (Package, error) {
	for guard, mode := range modes {
		switch {
		case guard == "":
			return Package{}, authz.Invalid("guard", "is empty; name the guard whose mode to set")
		case mode != authz.ModeOff && mode != authz.ModeObserve && mode != authz.ModeFlag && mode != authz.ModeEnforce:
			return Package{}, authz.Invalid("mode", "must be off, observe, flag or enforce, and is "+strconv.Quote(mode))
		}
	}
	manifest, err := ijson.Marshal(map[string]any{"revision": revision, "roots": []string{modesRoot}, "rego_version": regoVersion})
	if err != nil {
		return Package{}, err
	}
	data, err := ijson.Marshal(modes)
	if err != nil {
		return Package{}, err
	}
	var packed bytes.Buffer
	if err := writeTar(&packed, []File{{Path: manifestName, Bytes: manifest}, {Path: modesRoot + "/data.json", Bytes: data}}); err != nil {
		return Package{}, err
	}
	return ReadTar(&packed, Limits{})
}
