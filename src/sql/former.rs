//! What was before a statement: what has to be asked for its way back, and what somebody has recorded of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name::RelationName;
use super::statement::TypeName;

/// Of what somebody may want to know what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Whether it was there, and its definition where that is all that there is of it.
    Object,
    /// A column's default.
    Default,
    /// A column's type.
    Type,
    /// Whether a column was NOT NULL.
    NotNull,
    /// A comment.
    Comment,
    /// The schema that it stood in.
    Schema,
}

/// Where it is found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A relation, along the search path.
    Relation,
    /// A column of such a relation.
    Column,
    /// A constraint of such a relation.
    Constraint,
    /// An index, along the search path; its definition is wanted.
    Index,
    /// A relation where CREATE puts it.
    New,
    /// A view where CREATE puts it; its definition is wanted.
    View,
    /// A relation in the schema of the one that is named.
    Beside,
    /// A function or procedure where CREATE puts it; its definition is wanted.
    Routine,
    /// A schema.
    Schema,
    /// An extension.
    Extension,
}

impl Aspect {
    /// In one word, as it is recorded.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Default => "default",
            Self::Type => "type",
            Self::NotNull => "not-null",
            Self::Comment => "comment",
            Self::Schema => "schema",
        }
    }
}

impl Place {
    /// In one word, for the question.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Relation => "relation",
            Self::Column => "column",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::New => "new",
            Self::View => "view",
            Self::Beside => "beside",
            Self::Routine => "routine",
            Self::Schema => "schema",
            Self::Extension => "extension",
        }
    }

    /// It is looked for along the search path.
    #[must_use]
    pub fn is_searched(self) -> bool {
        matches!(self, Self::Relation | Self::Column | Self::Constraint | Self::Index | Self::Beside)
    }
}

/// Something that a statement writes over, takes away, or makes unless it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What of it.
    pub aspect: Aspect,
    /// Where it is found.
    pub place: Place,
    /// The relation, or the routine, schema or extension.
    pub name: RelationName,
    /// The column or constraint of that relation, or the index beside it.
    pub part: Option<String>,
    /// The types of what goes into a routine.
    pub arguments: Vec<TypeName>,
}

impl Wanted {
    /// Of a whole thing.
    #[must_use]
    pub fn new(aspect: Aspect, place: Place, name: RelationName) -> Self {
        Self { aspect, place, name, part: None, arguments: Vec::new() }
    }

    /// Of a part of a relation.
    #[must_use]
    pub fn of_part(aspect: Aspect, place: Place, name: RelationName, part: impl Into<String>) -> Self {
        Self { part: Some(part.into()), ..Self::new(aspect, place, name) }
    }
}

/// What it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Was {
    /// There was none.
    Nothing,
    /// This, as SQL writes it.
    Text(String),
    /// There was one; what it was is not written down: it is too long, or has values in it that are not to be.
    Withheld,
}

/// One thing that was before one statement of a string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Which statement of the string, from 0.
    pub statement: usize,
    /// What of it.
    pub aspect: Aspect,
    /// The column or constraint, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What it was.
    pub was: Was,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.aspect.word())?;
        if let Some(part) = &self.part {
            write!(f, " of {part}")?;
        }
        f.write_str(": ")?;
        f.write_str(match (&self.was, self.aspect) {
            (Was::Nothing, Aspect::NotNull) => "no",
            (Was::Nothing, _) => "none",
            (Was::Withheld, Aspect::Object) => "was there; its definition is not recorded",
            (Was::Withheld, _) => "not recorded: too long, or a value that is not to be written down",
            (Was::Text(text), _) => text,
        })
    }
}

/// What was before one statement, as far as somebody has recorded it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Former {
    known: Vec<Known>,
}

impl Former {
    /// Of one statement of a string.
    #[must_use]
    pub fn of(statement: usize, known: &[Known]) -> Self {
        Self { known: known.iter().filter(|known| known.statement == statement).cloned().collect() }
    }

    /// What that was; none where nobody has recorded it.
    #[must_use]
    pub fn was(&self, aspect: Aspect, part: Option<&str>) -> Option<&Was> {
        self.known.iter().find(|known| known.aspect == aspect && known.part.as_deref() == part).map(|known| &known.was)
    }

    /// The comment, of whatever the statement names.
    #[must_use]
    pub fn comment(&self) -> Option<&Was> {
        self.known.iter().find(|known| known.aspect == Aspect::Comment).map(|known| &known.was)
    }

    /// Whether what the statement makes was there already.
    #[must_use]
    pub fn was_there(&self, part: Option<&str>) -> Option<bool> {
        self.was(Aspect::Object, part).map(|was| *was != Was::Nothing)
    }
}
