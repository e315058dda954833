package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/verdict-pdp/verdict/decisionlog/redact"
)

// The model says what is redacted as plainly as it can be said, and as slowly as it likes.
var (
	modelKey      = regexp.MustCompile(`^(?:vk_|vs_)|(?:^|[^A-Za-z0-9])(?:vk_|vs_)[A-Za-z0-9_.:@-]{43}`)
	modelWholeKey = regexp.MustCompile(`(?:^|[^A-Za-z0-9])(?:vs_|vk_[A-Za-z0-9_.:@-]{1,200}_)[A-Za-z0-9_-]{43}`)
	modelDotted   = regexp.MustCompile(`[A-Za-z0-9_.-]+`)
	modelBasic    = regexp.MustCompile(`^[A-Za-z0-9_+/-]{0,512}`)
	modelOpaque   = regexp.MustCompile(`^[A-Za-z0-9_+/.~-]{0,512}`)
	modelPercent  = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	modelEscape   = regexp.MustCompile(`\\(?:u[0-9A-Fa-f]{4}|["\\/])`)
	modelBase64   = regexp.MustCompile(`[A-Za-z0-9_+/-]{62,}`)
	modelName     = regexp.MustCompile(`^(authorization|proxyauthorization|cookie|setcookie|xapikey|apikey|xauthtoken|xaccesstoken|privatetoken|xvaulttoken|xamzsecuritytoken|xgoogapikey|xcsrftoken|authtoken|sessiontoken|bearertoken|dpop|pwd|(?:new|old|current|user)?password|passwd|passphrase|` +
		`secret|secretkey|clientsecret|clientassertion|accesstoken|refreshtoken|idtoken|subjecttoken|actortoken|privatekey)$`)
	modelHeaderName = regexp.MustCompile(`^(authorization|proxyauthorization|cookie|setcookie|xapikey|apikey|xauthtoken|dpop|xaccesstoken|privatetoken|xvaulttoken|xamzsecuritytoken|xgoogapikey|xcsrftoken)$`)
	modelPairName   = regexp.MustCompile(`^(name|key|header)$`)
	modelPairValue  = regexp.MustCompile(`^(value|values|rawvalue)$`)
	modelBetween    = regexp.MustCompile(`[-_ ]`)
	modelNameBefore = regexp.MustCompile(`(?:^|[^A-Za-z0-9_-])([A-Za-z0-9_-]{1,32})$`)
	modelValue      = regexp.MustCompile(`^["']?[^=&;,"' \t\r\n]`)
	modelMember     = regexp.MustCompile(`"([A-Za-z0-9_ -]{1,32})\\*"[ \t\r\n]*$`)
)

// modelSecret is what hasSecret has to say of text, modelWhole what hasWholeSecret has.
func modelSecret(text string) bool { return modelText(text, modelKey, 3) }
func modelWhole(text string) bool  { return modelText(text, modelWholeKey, 3) }

func modelText(text string, key *regexp.Regexp, encodings int) bool {
	if key.MatchString(text) || modelToken(text) || modelCredentials(text) || strings.Contains(text, "PRIVATE KEY-----") || strings.Contains(text, "PRIVATE+KEY-----") || modelNamedValue(text) {
		return true
	}
	if encodings == 0 {
		return false
	}
	decoded := modelPercent.ReplaceAllStringFunc(text, func(c string) string {
		b, _ := hex.DecodeString(c[1:])
		return string(b)
	})
	if decoded != text && modelText(decoded, key, encodings-1) {
		return true
	}
	if strings.Contains(text, `\u`) {
		decoded := modelEscape.ReplaceAllStringFunc(text, func(c string) string {
			if c[1] != 'u' {
				return c[1:]
			}
			unit, _ := strconv.ParseUint(c[2:], 16, 16)
			return string(rune(unit))
		})
		if decoded != text && modelText(decoded, key, encodings-1) {
			return true
		}
	}
	return slices.ContainsFunc(modelBase64.FindAllString(text, -1), func(run string) bool {
		encoding := base64.RawStdEncoding
		if strings.ContainsAny(run, "-_") {
			encoding = base64.RawURLEncoding
		}
		decoded, err := encoding.DecodeString(run)
		return err == nil && modelText(string(decoded), key, encodings-1)
	})
}

func modelToken(text string) bool {
	for _, run := range modelDotted.FindAllString(strings.ReplaceAll(strings.ReplaceAll(text, "==.", "."), "=.", "."), -1) {
		parts := strings.Split(run, ".")
		for i := 0; i+2 < len(parts); i++ {
			starts := strings.Split(parts[i], "eyJ") // in at most 8 places
			for n := 1; n < min(len(starts), 9); n++ {
				starts[n] = "eyJ" + strings.Join(starts[n:], "eyJ")
			}
			starts[0] = parts[i]
			if slices.ContainsFunc(starts[:min(len(starts), 9)], modelHeader) {
				return true
			}
		}
	}
	return false
}

func modelHeader(part string) bool {
	decoded, err := base64.RawURLEncoding.DecodeString(part)
	var header map[string]any
	if err != nil || json.Unmarshal(decoded, &header) != nil {
		return false
	}
	_, ok := header["alg"]
	return ok
}

func modelCredentials(text string) bool {
	for i, c := range []byte(text) {
		if c != ' ' && c != '+' {
			continue
		}
		before, after := strings.ToLower(text[:i]), text[i+1:]
		if strings.HasSuffix(before, "basic") {
			run := modelBasic.FindString(after)
			decoded, err := base64.RawStdEncoding.DecodeString(run)
			name, _, colon := strings.Cut(string(decoded), ":")
			if err == nil && colon && utf8.ValidString(name) && (len(run) == 512 || utf8.Valid(decoded)) {
				return true
			}
		}
		if strings.HasSuffix(before, "bearer") || strings.HasSuffix(before, "dpop") {
			if run := modelOpaque.FindString(after); len(run) >= 16 && strings.ContainsAny(run, "0123456789") {
				return true
			}
		}
	}
	return false
}

func modelNamedValue(text string) bool {
	for i, c := range []byte(text) {
		before, after := text[:i], text[i+1:]
		if c == '=' {
			if m := modelNameBefore.FindStringSubmatch(before[max(0, i-40):]); m != nil && modelIsName(m[1]) && modelValue.MatchString(after) {
				return true
			}
		}
		if c == ':' {
			if m := modelMember.FindStringSubmatch(before); m != nil && modelIsName(m[1]) && strings.Trim(after, " \t\r\n") != "" {
				return true
			}
		}
	}
	return false
}

func modelIsName(name string) bool {
	return modelIs(modelName, name)
}

func modelIs(names *regexp.Regexp, name string) bool {
	return names.MatchString(strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, modelBetween.ReplaceAllString(name[strings.LastIndex(name, ".")+1:], "")))
}

// modelDocument is what is left of a decoded document, and the pointers of what was masked.
func modelDocument(v any, path []string) (left any, masked []string) {
	note := func(path []string) {
		clean := make([]string, len(path))
		for i, token := range path {
			if clean[i] = token; modelSecret(token) {
				clean[i] = redact.Masked
			}
		}
		masked = append(masked, redact.Pointer(clean))
	}
	below := func(v any, token string) any {
		left, more := modelDocument(v, append(slices.Clone(path), token))
		masked = append(masked, more...)
		return left
	}
	switch v := v.(type) {
	case string:
		if modelSecret(v) {
			note(path)
			return redact.Masked, masked
		}
	case []any:
		list := []any{}
		for i, element := range v {
			if name := ""; i%2 == 1 && len(v)%2 == 0 {
				if name, _ = v[i-1].(string); modelIs(modelHeaderName, name) {
					if list = append(list, redact.Masked); element != redact.Masked {
						note(append(slices.Clone(path), strconv.Itoa(i)))
					}
					continue
				}
			}
			list = append(list, below(element, strconv.Itoa(i)))
		}
		return list, masked
	case map[string]any:
		pair := false
		for member, value := range v {
			name, ok := value.(string)
			pair = pair || ok && modelIs(modelPairName, member) && modelIsName(name)
		}
		object, renamed := map[string]any{}, false
		for name, member := range v {
			switch {
			case modelSecret(name):
				renamed = true
				note(append(slices.Clone(path), name))
			case modelIsName(name) || pair && modelIs(modelPairValue, name):
				if object[name] = redact.Masked; member != redact.Masked {
					note(append(slices.Clone(path), name))
				}
			default:
				object[name] = below(member, name)
			}
		}
		if renamed {
			object[redact.Masked] = redact.Masked
		}
		return object, masked
	}
	return v, masked
}
