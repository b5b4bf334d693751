//! Methods, with every receiver, in inherent impls and in traits.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use dspinlock::dspinlock;

use crate::support::{AppError, alone, alone_async};

#[derive(Clone, Debug, Default, PartialEq)]
struct Account {
    id: u32,
    owner: String,
    turns: u32,
}

impl Account {
    #[dspinlock(key = self.id, guard = lock)]
    fn by_reference(&self) -> Result<&str, AppError> {
        assert!(lock.is_held());
        Ok(&self.owner)
    }

    #[dspinlock(key = (self.id, by))]
    fn by_mutable_reference(&mut self, by: u32) -> Result<&mut u32, AppError> {
        self.turns += by;
        Ok(&mut self.turns)
    }

    #[dspinlock(key = self.owner)]
    fn by_value(self) -> Result<String, AppError> {
        Ok(self.owner)
    }

    #[dspinlock(key = self.owner)]
    fn by_mutable_value(mut self) -> Result<Self, AppError> {
        self.turns += 1;
        Ok(self)
    }

    #[dspinlock(key = self.id)]
    fn boxed(self: Box<Self>) -> Result<u32, AppError> {
        Ok(self.id)
    }

    #[dspinlock(key = self.id)]
    fn counted(self: &Rc<Self>) -> Result<usize, AppError> {
        Ok(Rc::strong_count(self))
    }

    #[dspinlock(key = self.id)]
    async fn shared(self: Arc<Self>) -> Result<u32, AppError> {
        tokio::task::yield_now().await;
        Ok(self.id)
    }

    #[dspinlock(key = self.id)]
    fn pinned(mut self: Pin<&mut Self>) -> Result<u32, AppError> {
        self.turns += 1;
        Ok(self.turns)
    }

    #[dspinlock(key = self.id)]
    async fn asynchronous(&mut self) -> Result<&mut String, AppError> {
        tokio::task::yield_now().await;
        self.owner.push('!');
        Ok(&mut self.owner)
    }

    #[dspinlock(key = id)]
    fn without_receiver(id: u32) -> Result<Self, AppError> {
        Ok(Self { id, ..Self::default() })
    }

    #[dspinlock(key = ())]
    fn one_lock_for_all(&self) -> Result<u32, AppError> {
        Ok(self.turns)
    }
}

trait Job {
    const NAME: &'static str;

    fn number(&self) -> u32;

    #[dspinlock(key = self.number(), guard = lock)]
    fn run(&self) -> Result<String, AppError> {
        assert!(lock.is_held());
        Ok(format!("{}-{}", Self::NAME, self.number()))
    }

    #[dspinlock(key = self.number())]
    async fn run_later(&self) -> Result<u32, AppError> {
        tokio::task::yield_now().await;
        Ok(self.number())
    }
}

struct Mail(u32);
struct Print(u32);

impl Job for Mail {
    const NAME: &'static str = "mail";

    fn number(&self) -> u32 {
        self.0
    }
}

impl Job for Print {
    const NAME: &'static str = "print";

    fn number(&self) -> u32 {
        self.0
    }

    #[dspinlock(key = self.0)]
    fn run(&self) -> Result<String, AppError> {
        Ok(String::from("overridden"))
    }
}

#[test]
fn receivers() {
    alone(|| {
        let mut account = Account { id: 1, owner: "ann".into(), turns: 0 };
        assert_eq!(account.by_reference().unwrap(), "ann");
        *account.by_mutable_reference(2).unwrap() += 1;
        assert_eq!(account.turns, 3);
        assert_eq!(account.one_lock_for_all().unwrap(), 3);
        assert_eq!(account.clone().by_value().unwrap(), "ann");
        assert_eq!(account.clone().by_mutable_value().unwrap().turns, 4);
        assert_eq!(Box::new(account.clone()).boxed().unwrap(), 1);
        assert_eq!(Rc::new(account.clone()).counted().unwrap(), 1);
        assert_eq!(Pin::new(&mut account).pinned().unwrap(), 4);
        assert_eq!(Account::without_receiver(9).unwrap().id, 9);
    });
}

#[test]
fn async_receivers() {
    alone_async(async {
        let mut account = Account { id: 1, owner: "ann".into(), turns: 0 };
        assert_eq!(account.asynchronous().await.unwrap(), "ann!");
        assert_eq!(Arc::new(account).shared().await.unwrap(), 1);
    });
}

#[test]
fn default_bodies_of_traits() {
    alone(|| {
        assert_eq!(Mail(1).run().unwrap(), "mail-1");
        assert_eq!(Print(1).run().unwrap(), "overridden");
    });
    assert_eq!(alone_async(async { Mail(2).run_later().await }).unwrap(), 2);
}
