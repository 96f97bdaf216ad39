//! A reader for the JSON of one line, and the quoting of a string: enough for a host without a crate.
//! An app would use `serde_json`.

use std::{iter::Peekable, str::Chars};

pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List, // this host looks into none
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The value of a line, or `None` where it is no JSON.
    pub fn read(line: &str) -> Option<Json> {
        let mut chars = line.chars().peekable();
        let value = value(&mut chars, 0)?;
        skip_space(&mut chars);
        chars.next().is_none().then_some(value)
    }

    /// What is at a path of names, such as `params.usage.completionTokens`.
    pub fn at(&self, path: &str) -> Option<&Json> {
        path.split('.').try_fold(self, |value, name| match value {
            Json::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        })
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        if let Some(Json::Text(text)) = self.at(path) {
            Some(text)
        } else {
            None
        }
    }

    pub fn number(&self, path: &str) -> Option<i64> {
        if let Some(Json::Number(number)) = self.at(path) {
            Some(*number as i64)
        } else {
            None
        }
    }

    pub fn is_true(&self, path: &str) -> bool {
        matches!(self.at(path), Some(Json::Bool(true)))
    }
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c < ' ' => format!("\\u{:04x}", c as u32),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

type Reader<'a> = Peekable<Chars<'a>>;
const DEEPEST: usize = 200;

fn value(chars: &mut Reader, depth: usize) -> Option<Json> {
    skip_space(chars);
    match chars.peek()? {
        _ if depth > DEEPEST => None,
        '{' => items(chars, '}', |chars| {
            let name = string(chars)?;
            skip_space(chars);
            (chars.next()? == ':').then_some(())?;
            Some((name, value(chars, depth + 1)?))
        })
        .map(Json::Object),
        '[' => items(chars, ']', |chars| value(chars, depth + 1)).map(|_| Json::List),
        '"' => string(chars).map(Json::Text),
        _ => {
            let mut word = String::new();
            while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
                word.push(c);
            }
            match word.as_str() {
                "null" => Some(Json::Null),
                "true" | "false" => Some(Json::Bool(word == "true")),
                number => number.parse().ok().map(Json::Number),
            }
        }
    }
}

/// What is between brackets, item by item.
fn items<T>(chars: &mut Reader, end: char, mut item: impl FnMut(&mut Reader) -> Option<T>) -> Option<Vec<T>> {
    chars.next();
    let mut found = Vec::new();
    skip_space(chars);
    if chars.next_if_eq(&end).is_some() {
        return Some(found);
    }
    loop {
        skip_space(chars);
        found.push(item(chars)?);
        skip_space(chars);
        match chars.next()? {
            ',' => continue,
            c if c == end => return Some(found),
            _ => return None,
        }
    }
}

fn string(chars: &mut Reader) -> Option<String> {
    (chars.next()? == '"').then_some(())?;
    let mut units: Vec<u16> = Vec::new(); // UTF-16, as `\u` has it: a pair of surrogates is one character
    loop {
        let c = match chars.next()? {
            '"' => return String::from_utf16(&units).ok(),
            '\\' => match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).ok()?);
                    continue;
                }
                c => c,
            },
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
}

fn skip_space(chars: &mut Reader) {
    while chars.next_if(|c| " \t\r\n".contains(*c)).is_some() {}
}
